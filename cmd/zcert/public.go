package main

import (
	"bytes"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
)

// publicOf returns a certificate without its secret key and without what may belong
// to that: sections of a secret file that aren't known here. It warns of those. The
// error is that of a signature that covers them.
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
	cli.Warn(cmd, "%s: unknown sections may be secret, and are left out", path)
	return public, nil
}

// warnReadable warns of a secret that is printed into a file that other users can
// read.
func warnReadable(cmd *cobra.Command) {
	out := cli.StdoutFile(cmd)
	if out == nil || runtime.GOOS == "windows" {
		return
	}
	if info, err := out.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		cli.Warn(cmd, "stdout is a file of mode %04o: other users can read the secret: chmod 600 it, and set umask 077 first the next time", info.Mode().Perm())
	}
}
