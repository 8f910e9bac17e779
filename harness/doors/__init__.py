"""What people hand to each other is read through here: bounded, typed, inside its folder."""
