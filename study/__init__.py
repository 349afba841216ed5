"""The experiment: many trials on Ray Tune; the only package that imports ray."""
