"""The alliance's page and its JSON API: server-rendered; everything goes through `Workspace.view`."""
