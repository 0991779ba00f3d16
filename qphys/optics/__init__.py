"""Words of optics that stages share: Jones vectors and matrices."""
