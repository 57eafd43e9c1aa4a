def run(count, server):
    pass
