"""The alliance's page and its JSON API: FastAPI and Jinja, server-rendered; everything goes through `Workspace.view`."""
