// A day with a mailbox: every step gives what Thunderbird shows after it.
const steps = {
  async open(config) {
    await begin(config);
    return names();
  },

  // Another program has sent a message, and the server tells.
  async pushed() {
    const inbox = special(Inbox);
    const header = await appears(() => message(inbox, "pushed"));
    return read(inbox, header);
  },

  // To itself, with a file, and a copy to the folder for what was sent.
  async send({ address, file: path }) {
    const sent = special(SentMail) ?? named("Sent");
    const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
    fields.from = address;
    fields.to = address;
    fields.subject = "with a file";
    fields.fcc = sent.URI;
    const attachment = Cc["@mozilla.org/messengercompose/attachment;1"].createInstance(Ci.nsIMsgAttachment);
    attachment.url = Services.io.newFileURI(file(path)).spec;
    attachment.name = "attachment.bin";
    attachment.contentType = "application/octet-stream";
    fields.addAttachment(attachment);
    const send = Cc["@mozilla.org/messengercompose/send;1"].createInstance(Ci.nsIMsgSend);
    await done(listener => void send.createAndSendMessage(null, imap().defaultIdentity, imap().key, fields, false, false,
      Ci.nsIMsgSend.nsMsgDeliverNow, null, "text/plain", "See the file.\r\n", null, null, listener, null, null,
      Ci.nsIMsgCompType.New), true);
    await update(sent);
    return subjects(sent);
  },

  async attachment({ saved }) {
    const inbox = special(Inbox);
    const header = await appears(() => message(inbox, "with a file"));
    const { MsgHdrToMimeMessage } = ChromeUtils.importESModule("resource:///modules/gloda/MimeMessage.sys.mjs");
    const mime = await new Promise(resolve => MsgHdrToMimeMessage(header, null, (_header, mime) => resolve(mime), true));
    const [attachment] = mime.allAttachments;
    const { AttachmentInfo } = ChromeUtils.importESModule("resource:///modules/AttachmentInfo.sys.mjs");
    await new AttachmentInfo({ ...attachment, url: attachment.url, name: attachment.name, contentType: attachment.contentType,
      size: attachment.size, uri: inbox.getUriForMsg(header), isExternalAttachment: false, message: header }).saveToFile(saved);
    return { name: attachment.name, kind: attachment.contentType };
  },

  async flags() {
    const inbox = special(Inbox);
    inbox.markMessagesRead([message(inbox, "pushed")], true);
    inbox.markMessagesFlagged([message(inbox, "with a file")], true);
    await update(inbox);
    return Object.fromEntries([...inbox.messages].map(known => [known.mime2DecodedSubject, [known.isRead, known.isFlagged]]));
  },

  async folders() {
    for (const name of ["Plans", "Rubbish"]) {
      root().createSubfolder(name, null);
      await appears(() => named(name));
    }
    named("Plans").rename("Ideas", null);
    await appears(() => named("Ideas") && !named("Plans"));
    // Into the trash, and from there into nothing.
    named("Rubbish").deleteSelf(null);
    await appears(() => named("Rubbish")?.parent == special(Trash));
    const between = names();
    special(Trash).emptyTrash(null);
    await appears(() => !named("Rubbish"));
    return { between, at_last: names() };
  },

  async move() {
    const [inbox, ideas] = [special(Inbox), named("Ideas")];
    await done(listener => MailServices.copy.copyMessages(inbox, [message(inbox, "pushed")], ideas, true, listener, null, false));
    await appears(() => message(ideas, "pushed") && !message(inbox, "pushed"));
    return { inbox: subjects(inbox), ideas: subjects(ideas) };
  },

  // The server looks for them, in what Thunderbird need not have.
  async search() {
    const found = async (folder, attribute, words) => {
      const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
      session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, folder);
      const term = session.createTerm();
      term.attrib = attribute;
      term.op = Ci.nsMsgSearchOp.Contains;
      const { value } = term;
      value.attrib = attribute;
      value.str = words;
      term.value = value;
      session.appendTerm(term);
      const hits = [];
      await new Promise((resolve, reject) => {
        session.registerListener({
          QueryInterface: ChromeUtils.generateQI(["nsIMsgSearchNotify"]),
          onNewSearch() {},
          onSearchHit(header) { hits.push(header.mime2DecodedSubject); },
          onSearchDone(status) { Components.isSuccessCode(status) ? resolve() : reject(new Error(status.toString(16))); },
        });
        session.search(null);
      });
      return hits;
    };
    const { Subject, Body } = Ci.nsMsgSearchAttrib;
    return {
      subject: await found(named("Ideas"), Subject, "push"),
      body: await found(named("Ideas"), Body, "another program"),
      none: await found(named("Ideas"), Body, "no such words"),
    };
  },

  async delete() {
    const inbox = special(Inbox);
    await done(listener => inbox.deleteMessages([message(inbox, "with a file")], null, true, false, listener, false));
    await done(listener => inbox.compact(listener, null));
    return subjects(inbox);
  },

  async pop3_leave({ pop3_user, pop3_password }) {
    await login("mailbox", pop3_user, pop3_password);
    const { incomingServer: server } = MailServices.accounts.getAccount("account3");
    server.QueryInterface(Ci.nsIPop3IncomingServer).leaveMessagesOnServer = true;
    return steps.by_pop3(server);
  },

  async pop3_delete() {
    const { incomingServer: server } = MailServices.accounts.getAccount("account3");
    server.QueryInterface(Ci.nsIPop3IncomingServer).leaveMessagesOnServer = false;
    return steps.by_pop3(server);
  },

  async by_pop3(server) {
    const inbox = server.rootFolder.getFolderWithFlags(Inbox);
    await done(listener => MailServices.pop3.GetNewMail(null, listener, inbox, server));
    return subjects(inbox);
  },
};
