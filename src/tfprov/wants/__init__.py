"""What files ask for: each format has one reader, and all of them give the same records. No reader decides anything."""
