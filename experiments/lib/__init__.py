"""What the experiments share; experiments/README.md says which module does what."""
