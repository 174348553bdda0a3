/**
 * Answers a request's body byte for byte. The whole body is read before the first byte goes back: many clients write all
 * of a request before they read, and a streamed echo of a large body would then wait for them while they wait for it.
 */
export function echo(req, res, replies) {
  const chunks = [];
  let length = 0;
  req.on('data', (chunk) => {
    chunks.push(chunk);
    length += chunk.length;
  });
  req.on('end', () => {
    const type = req.headers['content-type'] ?? 'application/octet-stream';
    const headers = replies.headers('content-type', type, 'content-length', String(length));
    if (chunks.length <= 1) {
      replies.send(res, 200, headers, chunks[0]);
      return;
    }
    res.cork();
    replies.begin(res, 200, headers);
    for (const chunk of chunks) res.write(chunk);
    res.end();
    res.uncork();
  });
}
