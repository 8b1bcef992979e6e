"""What was published of anomaly detection on these datasets."""

SOURCE = "Ruff et al. 2018"
# Table 1: one-class deep SVDD on MNIST, AUROC by the normal class, mean over ten seeds. Its nets are convolutional, and
# are pretrained as autoencoders.
DEEP_SVDD = {"one_class_mnist": (0.980, 0.997, 0.917, 0.919, 0.949, 0.885, 0.983, 0.946, 0.939, 0.965)}
