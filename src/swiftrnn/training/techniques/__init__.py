"""Parts of training that any loop can use, each by itself."""
