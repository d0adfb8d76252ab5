package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
)

// publicOf returns a certificate without its secret key and without unknown sections
// of a secret file, which may also be secret. It warns about those, and fails if the
// certificate is signed, since the signature covers them.
func publicOf(cmd *cobra.Command, path string, c *cert.Certificate) (*cert.Certificate, error) {
	if !hasSecret(c) {
		return c, nil
	}
	if len(unknownLines(c)) > 0 {
		if c.Authority != (cert.AuthorityKey{}) {
			return nil, fmt.Errorf("%s: its signature covers unknown sections, which may be secret", cli.Subject(path))
		}
		cli.Warn(cmd, "%s: omitting unknown sections, which may be secret", cli.Subject(path))
	}
	return c.WithoutSecret(), nil
}

// hasSecret reports whether a certificate has its secret key, locked or not.
func hasSecret(c *cert.Certificate) bool {
	_, locked := c.Locked()
	return locked || !c.Secret.IsZero()
}

// warnReadable warns if stdout, to which a secret is printed, is a file that other
// users can read.
func warnReadable(cmd *cobra.Command) {
	out := cli.StdoutFile(cmd)
	if out == nil || runtime.GOOS == "windows" {
		return
	}
	if info, err := out.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		cli.Warn(cmd, "stdout is a file of mode %04o: other users can read the secret: chmod 600 it, and run umask 077 first next time", info.Mode().Perm())
	}
}
