"""Run rows: their life from launch to end, and lists of them."""
