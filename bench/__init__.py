"""Side by side: Tandem against what people use for the same, in one run on one machine."""
