BEGIN TRANSACTION;
CREATE TABLE deleted_runs (run_id VARCHAR(64) PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE, deleted DOUBLE PRECISION NOT NULL);
CREATE TABLE evaluations (
	run_id VARCHAR(64) NOT NULL, 
	step INTEGER NOT NULL, 
	train_loss DOUBLE NOT NULL, 
	train_eval_loss DOUBLE NOT NULL, 
	train_acc DOUBLE NOT NULL, 
	test_loss DOUBLE NOT NULL, 
	test_acc DOUBLE NOT NULL, 
	lr DOUBLE NOT NULL, 
	seconds DOUBLE NOT NULL, weight_norms TEXT NOT NULL DEFAULT '[]', val_loss DOUBLE PRECISION, val_acc DOUBLE PRECISION, effective_lr DOUBLE PRECISION, 
	PRIMARY KEY (run_id, step), 
	FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "evaluations" VALUES('finished',1,2.5,2.25,0.25,2.125,0.25,0.0003,0.125,'[3.5, 0.1]',2.0,0.125,NULL);
INSERT INTO "evaluations" VALUES('finished',2,1.25,1.125,0.625,2.125,0.625,0.0003,0.25,'[3.5, 0.1]',2.0,0.3125,NULL);
INSERT INTO "evaluations" VALUES('finished',3,8.3333333333333337034e-01,0.75,0.5,2.125,0.5,0.0003,0.375,'[3.5, 0.1]',2.0,0.25,NULL);
CREATE TABLE people (
	owner VARCHAR(255) NOT NULL, 
	name TEXT NOT NULL, 
	quota DOUBLE, 
	PRIMARY KEY (owner)
);
INSERT INTO "people" VALUES('person:0123456789abcdef','Ann',5000000000.0);
CREATE TABLE runs (
	id VARCHAR(64) NOT NULL, 
	name TEXT NOT NULL, 
	recipe TEXT NOT NULL, 
	status VARCHAR(20) NOT NULL, 
	created DOUBLE NOT NULL, 
	owner VARCHAR(255) NOT NULL, 
	step INTEGER NOT NULL, 
	seconds DOUBLE NOT NULL, 
	device TEXT NOT NULL, 
	versions TEXT NOT NULL, 
	message TEXT NOT NULL, 
	traceback TEXT NOT NULL, 
	server VARCHAR(255) NOT NULL, note TEXT NOT NULL DEFAULT '', starred INTEGER NOT NULL DEFAULT 0, dataset TEXT NOT NULL DEFAULT '', optimizer TEXT NOT NULL DEFAULT '', best_acc DOUBLE PRECISION, last_acc DOUBLE PRECISION, continues VARCHAR(64) NOT NULL DEFAULT '', submission VARCHAR(64) NOT NULL DEFAULT '', lesson VARCHAR(100) NOT NULL DEFAULT '', last_losses TEXT NOT NULL DEFAULT '[]', 
	PRIMARY KEY (id)
);
INSERT INTO "runs" VALUES('finished','first try','{"dataset":"Shapes","train_size":null,"validation_size":0,"label_noise":0.0,"hidden_sizes":[32],"activation":"relu","dropout":0.5,"optimizer":{"name":"Adam","lr":0.0003,"betas":[0.9,0.999],"eps":1e-8,"weight_decay":0.0},"scheduler":{"warmup_iters":0,"start_factor":0.01,"name":"MultiStepLR","milestones":[100,200],"gamma":0.1},"batch_size":64,"train_iter":3000,"eval_every":200,"seed":0,"precision":"float32","device":"auto","changes":[]}','finished',1700000000.25,'browser:38d7f38556cb5d21f2893eab2723b1376f2ec2e246f0c9648a0134ef86cc253a',3,1.5,'cpu','{"torch": "2.13.0"}','','','','50 % — 한국어',1,'Shapes','Adam',0.625,0.5,'','','','[]');
INSERT INTO "runs" VALUES('diverged','too fast','{"dataset":"zoo","train_size":null,"validation_size":0,"label_noise":0.0,"hidden_sizes":[128,64],"activation":"relu","dropout":0.5,"optimizer":{"name":"SGD","lr":1.0,"momentum":0.9,"weight_decay":0.0005,"nesterov":true},"scheduler":{"warmup_iters":0,"start_factor":0.01,"name":"StepLR","step_size":1000,"gamma":0.5},"batch_size":64,"train_iter":3000,"eval_every":200,"seed":0,"precision":"float32","device":"auto","changes":[]}','diverged',1700000001.25,'person:0123456789abcdef',1200,1.5,'cpu','{"torch": "2.13.0"}','{"template": "The loss left the range of numbers at step {step:,}.", "values": {"step": 1200}}','Traceback','','',0,'zoo','SGD',NULL,NULL,'finished','','','[]');
CREATE TABLE schema_versions (
	number INTEGER NOT NULL, 
	name VARCHAR(100) NOT NULL, 
	applied DOUBLE NOT NULL, 
	PRIMARY KEY (number)
);
INSERT INTO "schema_versions" VALUES(1,'keep_runs_and_evaluations',1.79603680878694725031e+09);
INSERT INTO "schema_versions" VALUES(2,'keep_validation_norms_notes_and_stars',1.79603680881628036494e+09);
INSERT INTO "schema_versions" VALUES(3,'find_data_sets_by_an_index',1.79603680882310748094e+09);
INSERT INTO "schema_versions" VALUES(4,'keep_messages_as_template_and_values',1.79603680882404637339e+09);
INSERT INTO "schema_versions" VALUES(5,'keep_what_a_run_continues',1.79603680883343267433e+09);
INSERT INTO "schema_versions" VALUES(6,'hash_the_tokens_of_browsers',1.79603680883453845976e+09);
INSERT INTO "schema_versions" VALUES(7,'keep_effective_learning_rates',1.79603680884529829028e+09);
INSERT INTO "schema_versions" VALUES(8,'keep_submissions_lessons_and_deleted_runs',1.79603680884684467318e+09);
INSERT INTO "schema_versions" VALUES(9,'keep_last_losses',1.79603680884767913815e+09);
INSERT INTO "schema_versions" VALUES(10,'keep_sweeps_and_their_trials',1.79603680885497736931e+09);
INSERT INTO "schema_versions" VALUES(11,'keep_the_names_and_quotas_of_people',1.79603680885614132886e+09);
CREATE TABLE sweeps (
	id VARCHAR(64) NOT NULL, 
	name TEXT NOT NULL, 
	owner VARCHAR(255) NOT NULL, 
	created DOUBLE NOT NULL, 
	status VARCHAR(20) NOT NULL, 
	definition TEXT NOT NULL, 
	server VARCHAR(255) NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "sweeps" VALUES('s','a sweep','person:0123456789abcdef',1700000002.25,'finished','{"space":{}}','76a2d0573a964b0c966ea267d5a9e1f6');
CREATE TABLE trials (
	sweep_id VARCHAR(64) NOT NULL, 
	number INTEGER NOT NULL, 
	point TEXT NOT NULL, 
	is_fresh INTEGER NOT NULL, 
	run_ids TEXT NOT NULL, 
	result TEXT NOT NULL, 
	PRIMARY KEY (sweep_id, number), 
	FOREIGN KEY(sweep_id) REFERENCES sweeps (id) ON DELETE CASCADE
);
INSERT INTO "trials" VALUES('s',0,'{"lr":0.1}',0,'["finished"]','{"val_accs":[0.5]}');
CREATE INDEX runs_by_created ON runs (created, id);
CREATE INDEX runs_by_status ON runs (status, created, id);
CREATE INDEX runs_by_owner ON runs (owner, created, id);
CREATE INDEX runs_by_best_acc ON runs (best_acc, id);
CREATE INDEX runs_by_last_acc ON runs (last_acc, id);
CREATE INDEX runs_by_seconds ON runs (seconds, id);
CREATE INDEX runs_by_name ON runs (name, id);
CREATE INDEX runs_by_dataset ON runs (dataset);
CREATE INDEX runs_by_submission ON runs (submission, created, id);
CREATE INDEX runs_by_lesson ON runs (lesson, created, id);
CREATE INDEX sweeps_by_created ON sweeps (created, id);
COMMIT;
