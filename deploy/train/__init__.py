"""Settings of the trainings whose weights ship, and what they need."""
