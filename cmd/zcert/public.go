package main

import (
	"bytes"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
)

// publicOf returns a certificate without its secret key and without unknown sections
// of a secret file, which may be secret too. It warns about those, and fails if the
// signature covers them.
func publicOf(cmd *cobra.Command, path string, c *cert.Certificate) (*cert.Certificate, error) {
	if c.Secret.IsZero() && c.Locked == nil {
		return c, nil
	}
	public := &cert.Certificate{Public: c.Public, Metadata: c.Metadata, Validity: c.Validity, Serial: c.Serial,
		Authority: c.Authority, Signature: c.Signature}
	all, err := c.AppendPublic(nil)
	if err != nil {
		return nil, err
	}
	known, err := public.AppendPublic(nil)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(all, known) {
		return public, nil
	}
	if c.VerifySignature() == nil && public.VerifySignature() != nil {
		return nil, fmt.Errorf("%s: its signature covers unknown sections, which may be secret", path)
	}
	cli.Warn(cmd, "%s: omitting unknown sections, which may be secret", path)
	return public, nil
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
