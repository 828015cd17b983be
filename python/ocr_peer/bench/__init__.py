"""What the hot paths cost on this machine, as ratios against the best composition of Python packages."""
