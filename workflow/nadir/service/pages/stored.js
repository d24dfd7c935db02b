// A photo as it is stored: browsers turn it as its EXIF data say, while answers speak of the pixels
// in the file. Without these data there is nothing to turn by; the pixels stay untouched.

/** Return an image file (JPEG or PNG; others as they are) without its EXIF data. */
export async function asStored(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const view = new DataView(bytes.buffer);
  const parts = isJpeg(bytes) ? jpegParts(bytes, view) : isPng(bytes) ? pngParts(bytes, view) : null;
  return parts ? new Blob(parts, { type: blob.type }) : blob;
}

function isJpeg(bytes) {
  return bytes[0] === 0xff && bytes[1] === 0xd8;
}

function isPng(bytes) {
  return [0x89, 0x50, 0x4e, 0x47].every((value, at) => bytes[at] === value);
}

/** Everything but the segments APP1 before the first scan. */
function jpegParts(bytes, view) {
  const parts = [bytes.subarray(0, 2)];
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda) {
    const end = at + 2 + view.getUint16(at + 2);
    if (bytes[at + 1] !== 0xe1) parts.push(bytes.subarray(at, end));
    at = end;
  }
  parts.push(bytes.subarray(at));
  return parts;
}

/** Everything but the chunks eXIf. */
function pngParts(bytes, view) {
  const parts = [bytes.subarray(0, 8)];
  let at = 8;
  while (at + 12 <= bytes.length) {
    const end = at + 12 + view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (kind !== "eXIf") parts.push(bytes.subarray(at, end));
    at = end;
  }
  return parts;
}
