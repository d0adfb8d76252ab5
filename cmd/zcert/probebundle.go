package main

import (
	"cmp"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/cli"
)

// isBundle reports whether an argument of probe names a file, and no endpoint. The file may be
// missing.
func isBundle(arg string) bool {
	info, err := os.Stat(arg)
	return err == nil && info.Mode().IsRegular() || strings.HasSuffix(arg, bundleSuffix) && !strings.Contains(arg, "://")
}

// runBundle probes all endpoints of a bundle, with its keys. It returns the first error.
func (f *prober) runBundle(cmd *cobra.Command, path string) error {
	if f.cert != "" || f.serverKey != "" || f.login != "" {
		return cli.Usagef("--cert, --server-key and --login cannot be combined with a bundle, which has all keys")
	}
	c, err := loadBundle(cmd, path)
	if err != nil {
		return f.unusable(cmd, path, err)
	}
	defer c.Secret.Wipe()
	f.cert, f.bundle = path, c
	for _, at := range c.Service.Endpoints {
		err = cmp.Or(err, f.run(cmd, at))
	}
	return err
}
