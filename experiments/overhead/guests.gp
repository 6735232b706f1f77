# guests.gp - the lines of overhead that are no models: epoll, edge-triggered, and nginx.
# Loaded after style.gp, whose colour_of, mark_of and dash_of then know them.
colour_epoll_edge = colour_epoll; mark_epoll_edge = mark_epoll
colour_nginx = "#6B7280"; mark_nginx = 3
dash_of(model) = model eq "epoll_edge" ? 2 : model eq "nginx" ? 4 : 1
