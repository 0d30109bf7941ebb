"""Pictures to vectors with torch: weights, networks, decoding, and the embedding engine."""
