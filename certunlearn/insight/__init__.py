"""What an owner sees before and after a removal: influence, previews, look-alikes, substitutes."""
