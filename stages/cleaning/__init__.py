"""The steps from a caption to a prompt, one file each; `writing.STEPS` is their order."""
