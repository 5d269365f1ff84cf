"""Writes that are neither lost nor doubled: creations, messages, decisions and local results."""
