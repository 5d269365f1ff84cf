"""Approvals: the policy, the forms, the seam to a person, and how an answer takes effect."""
