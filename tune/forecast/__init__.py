"""What a study will take, from a measured probe."""
