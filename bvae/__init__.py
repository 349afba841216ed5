"""The β-VAE: learns from images; knows no labels, no Ray, no plots."""
