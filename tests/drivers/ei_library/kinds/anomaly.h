/* Three labels and a score of K-means. */
#define EI_CLASSIFIER_HAS_ANOMALY 1
