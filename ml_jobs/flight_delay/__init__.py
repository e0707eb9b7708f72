"""Will a flight from New York arrive 15 minutes late or more? What is this model's own: data, features, training."""
