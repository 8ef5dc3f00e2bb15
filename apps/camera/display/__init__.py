"""The window, the drawn picture and recorded videos. Imports ``engine``, because it shows its frames and answers."""
