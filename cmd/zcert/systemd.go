package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
)

// systemdForm is the name of the format for systemd units.
const systemdForm = "systemd"

// exportSystemd writes a drop-in with the public key.
func exportSystemd(c *cert.Certificate) ([]byte, error) {
	return eachVariable("[Service]\n", "Environment=\"%s=%s\"\n", strings.NewReplacer("%", "%%"))(&cert.Certificate{Public: c.Public})
}

// writeSystemd prints a drop-in that passes a secret certificate to a unit as a
// credential. It does not contain the secret: every user can read units, and the
// environment they set.
func writeSystemd(cmd *cobra.Command, in input, c *cert.Certificate) error {
	if c.Secret.IsZero() {
		err := fmt.Errorf("%s: no secret key in this file", cli.Subject(in.path))
		if _, locked := c.Locked(); locked {
			err = fmt.Errorf("%s: locked", cli.Subject(in.path))
		}
		return cli.Hint(err, "use the unlocked secret certificate: the service cannot unlock it")
	}
	c.Secret.Wipe()
	if in.isRead {
		return cli.Hint(fmt.Errorf("a unit cannot load a credential from %s", in.path), "pass the secret certificate as FILE")
	}
	path, err := filepath.Abs(in.path)
	if err != nil {
		return err
	}
	if strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == '\\' || r == '"' || r == '\'' }) {
		return fmt.Errorf("a unit cannot load a credential from %q: the path has quotes, backslashes or control characters", path)
	}
	text, err := exportSystemd(c)
	if err != nil {
		return err
	}
	const credential = "zmq-curve.key_secret"
	text = fmt.Appendf(text, "# The service reads its certificate from $CREDENTIALS_DIRECTORY/%[1]s\n# (in this unit %%d/%[1]s). The file can belong to root, with mode 0600.\nLoadCredential=%[1]s:%[2]s\n",
		credential, strings.ReplaceAll(path, "%", "%%"))
	_, err = cmd.OutOrStdout().Write(text)
	return err
}
