"""What a family, an objective and an adapter must offer; the only words in which they meet.

Shapes everywhere: B batch, C latent channels, H and W latent height and width. Sizes in pixels are (width, height).
"""
