"""The second lock, and the way to the tenants' store: requests of fixed form out, bytes or own words back."""
