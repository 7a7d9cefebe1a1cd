/** The package has no types of its own. It rejects with a string. */
declare module 'systemd-notify' {
  const notify: (options: { ready?: boolean; status?: string; pid?: number }) => Promise<void>
  export default notify
}
