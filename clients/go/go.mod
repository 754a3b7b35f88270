module longline

go 1.19
