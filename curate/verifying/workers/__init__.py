"""The pool of killable worker processes in which a comparison may hang, swell or die."""
