package deps

import (
	_ "github.com/cloudflare/circl/dh/x25519"
	_ "github.com/fsnotify/fsnotify"
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/google/renameio/v2"
	_ "github.com/pebbe/zmq4"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/spf13/cobra"
	_ "go.uber.org/goleak"
	_ "golang.org/x/crypto/nacl/box"
	_ "golang.org/x/crypto/nacl/secretbox"
	_ "golang.org/x/crypto/poly1305"
	_ "golang.org/x/crypto/salsa20/salsa"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/term"
)
