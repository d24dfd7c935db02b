# What Snakemake (9.27) and its plugins lack for this graph on Kubernetes and AWS Batch (docs/clusters.md).
import posixpath

from snakemake.jobs import GroupJob


def follow_query(stored):
    """Make the S3 plugin's object take its path from each query that it is given.

    Snakemake writes the constraints of wildcards into a stored output by setting its query anew.
    The S3 plugin (0.3.6) takes the path against which outputs are matched from the first query
    alone, so the constraints would be lost: any training could make any model, which is refused.
    """

    def given(self):
        return vars(self)["query"]

    def give(self, query):
        vars(self)["query"] = query
        if "_local_suffix" in vars(self):
            # not parsed as an address: constraints hold question marks
            bucket, _, key = query.partition("://")[2].partition("/")
            self.key = posixpath.normpath(key)
            self._local_suffix = f"{bucket}/{self.key}"

    stored.query = property(given, give)


if workflow.storage_settings.default_storage_provider == "s3":
    follow_query(
        workflow.storage_registry.default_storage_provider.get_storage_object_cls()
    )
    # By itself a group is called after its first five rules and three dots, and the plugin for AWS
    # Batch (0.2.1) makes that a part of names that hold 128 letters, digits, `-` and `_` at most.
    GroupJob.name = property(lambda group: group.groupid)
