"""Credits: how the advantage of a completion is spread over its tokens. One idea a file; an estimator has at most one."""
