"""The `taketwo` command. `main.py` lists the commands; each lives in a module that is imported only when it is used."""
