"""Land cover and buildings: models, losses, prediction, evaluation, figures, submission."""
