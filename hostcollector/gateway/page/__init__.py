"""The page for customers: is my VM up, why is it slow."""
