"""Settings that are known to serve, as TOML files: `<family>-<style>.toml` beside this file."""
