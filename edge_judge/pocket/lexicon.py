"""The words of the pocket tasks: a small world in which every answer can be checked.

Knows: words, their kinds and opposites, and phrases that make an answer longer.
Does not know: tasks, pairs or tokens.
"""

KINDS: dict[str, tuple[str, ...]] = {
    "animal": ("dog", "cat", "horse", "cow", "pig", "goat", "lion", "mouse", "wolf", "bear"),
    "fruit": ("apple", "pear", "plum", "grape", "lemon", "peach", "mango", "cherry", "melon", "fig"),
    "tool": ("hammer", "saw", "drill", "axe", "shovel", "ladder", "rope", "nail", "knife", "wrench"),
    "color": ("red", "blue", "green", "yellow", "black", "white", "brown", "pink", "grey", "purple"),
    "garment": ("hat", "coat", "shirt", "shoe", "sock", "glove", "scarf", "belt", "skirt", "boot"),
    "furniture": ("table", "chair", "bed", "desk", "shelf", "sofa", "lamp", "bench", "stool", "mirror"),
}
KIND_OF = {word: kind for kind, words in KINDS.items() for word in words}
NOUNS = tuple(KIND_OF)
PLURAL = {
    "animal": "animals", "fruit": "fruits", "tool": "tools",
    "color": "colors", "garment": "garments", "furniture": "pieces of furniture",
}  # fmt: skip

OPPOSITES = (
    ("hot", "cold"), ("big", "small"), ("fast", "slow"), ("hard", "soft"), ("high", "low"),
    ("full", "empty"), ("early", "late"), ("old", "young"), ("wet", "dry"), ("light", "dark"),
    ("happy", "sad"), ("open", "closed"), ("strong", "weak"), ("rich", "poor"), ("loud", "quiet"),
    ("near", "far"), ("long", "short"), ("thick", "thin"), ("clean", "dirty"), ("sharp", "blunt"),
)  # fmt: skip
OPPOSITE_OF = dict(OPPOSITES) | {right: left for left, right in OPPOSITES}
ADJECTIVES = tuple(OPPOSITE_OF)

NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five")
POSITIONS = ("first", "second", "third")

# Phrases before and after an answer that add length and no content.
PADDING = (
    ("Sure! Here is the answer you asked for: ", ""),
    ("Of course. After careful thought, the answer is: ", ""),
    ("Thank you for this excellent question! The answer is: ", ""),
    ("", " I hope this helps you!"),
    ("", " (This is correct and complete.)"),
    ("I am happy to help. ", " Please ask me if you need more."),
)
