"""What is made with a base model beside training."""
