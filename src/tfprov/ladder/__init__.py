"""Classification of failures, and the strategies tried after them."""
