// Pulumi's Kubernetes provider without its schema, which only `pulumi import` and code generators ask for.
package main

import (
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

func main() { provider.Serve("kubernetes", version.Version, []byte("{}"), []byte("{}")) }
