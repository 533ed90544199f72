"""The lab's machines: base image, disk, power, cable."""
