"""python -m edge_judge: the command line, also where its script is not on the path."""

from edge_judge.cli import main

if __name__ == "__main__":
    main()
