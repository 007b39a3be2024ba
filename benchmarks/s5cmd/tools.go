//go:build tools

// Names s5cmd, so that its version is pinned in go.mod and `make s5cmd` builds it.
package s5cmd

import _ "github.com/peak/s5cmd/v2"
