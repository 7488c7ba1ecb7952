module outrigger.dev/examples/go-kv

go 1.23

require outrigger.dev/clients/go v0.0.0

require google.golang.org/protobuf v1.36.12 // indirect

replace outrigger.dev/clients/go => ../../clients/go
